import { useEffect, useState } from 'react';
import { unseen } from '../format/visible';
import { Button } from '../shell/Button';

interface Props {
  text: string | (() => string);
  /** What is copied, for those who do not see what it stands beside. */
  what: string;
  label?: string;
}

const SHOWN_MS = 2000;

/** Copies to the clipboard as it is, and says so on the button itself: also what of it is not seen where it is pasted. */
export function Copy({ text, what, label = 'Copy' }: Props) {
  const [result, setResult] = useState<string | null>(null);
  useEffect(() => {
    if (result === null) return;
    const timer = setTimeout(() => setResult(null), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [result]);

  async function copy() {
    const copied = typeof text === 'string' ? text : text();
    try {
      await navigator.clipboard.writeText(copied);
      const hidden = unseen(copied);
      setResult(hidden.length === 0 ? 'Copied' : `Copied, with ${hidden.join(', ')}`);
    } catch {
      setResult('Not allowed');
    }
  }

  return (
    <>
      <Button quiet label={`${label} ${what}`} onClick={() => void copy()}>
        {result ?? label}
      </Button>
      <span className="visually-hidden" role="status">
        {result ?? ''}
      </span>
    </>
  );
}
