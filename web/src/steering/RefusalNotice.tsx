import type { RefObject } from 'react';
import { Foreign } from '../format/Foreign';
import { Notice } from '../notices/Notice';
import { Button } from '../shell/Button';
import { lineSpan, type Refusal } from './steering';

/** Why a text was refused, with a way to the line. */
export function RefusalNotice({ refusal, field }: { refusal: Refusal; field: RefObject<HTMLTextAreaElement | null> }) {
  const { line, text } = refusal;
  function go() {
    const area = field.current;
    if (area === null || line === null) return;
    const { start, end } = lineSpan(area.value, line);
    area.focus();
    area.setSelectionRange(start, end);
  }
  return (
    <Notice kind="warning">
      <Foreign text={text} lines /> {line !== null && <Button quiet onClick={go}>Go to line {line}</Button>}
    </Notice>
  );
}
