import { useEffect, useState } from 'react';
import { Button } from '../shell/Button';

interface Props {
  text: string | (() => string);
  /** What is copied, for those who do not see what it stands beside. */
  what: string;
  label?: string;
}

const SHOWN_MS = 2000;

/** Copies to the clipboard and says so on the button itself. */
export function Copy({ text, what, label = 'Copy' }: Props) {
  const [result, setResult] = useState<'copied' | 'refused' | null>(null);
  useEffect(() => {
    if (result === null) return;
    const timer = setTimeout(() => setResult(null), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [result]);

  async function copy() {
    try {
      await navigator.clipboard.writeText(typeof text === 'string' ? text : text());
      setResult('copied');
    } catch {
      setResult('refused');
    }
  }

  const shown = { copied: 'Copied', refused: 'Not allowed' } as const;
  return (
    <>
      <Button quiet label={`${label} ${what}`} onClick={() => void copy()}>
        {result === null ? label : shown[result]}
      </Button>
      <span className="visually-hidden" role="status">
        {result === null ? '' : shown[result]}
      </span>
    </>
  );
}
