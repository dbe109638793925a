import { Foreign } from '../format/Foreign';
import { Notice } from '../notices/Notice';
import { Button } from '../shell/Button';
import { lineSpan, type Refusal } from './refusal';

/** Why a text was refused, with a way to the line. */
export function RefusalNotice({ refusal, field }: { refusal: Refusal; field?: ((file: string | null) => string) | undefined }) {
  const { file, line, text } = refusal;
  function go() {
    const area = document.getElementById(field?.(file) ?? '');
    if (!(area instanceof HTMLTextAreaElement) || line === null) return;
    const { start, end } = lineSpan(area.value, line);
    area.focus();
    area.setSelectionRange(start, end);
  }
  return (
    <Notice kind="warning">
      <Foreign text={text} lines /> {line !== null && field !== undefined && <Button quiet onClick={go}>Go to line {line}</Button>}
    </Notice>
  );
}
