import { useEffect, useId, useRef, useState, type ReactNode } from 'react';
import styles from './Popover.module.css';

interface Props {
  /** What stands on the button. */
  label: ReactNode;
  /** The name of what opens. */
  title: string;
  align?: 'start' | 'end';
  children: ReactNode | ((close: () => void) => ReactNode);
}

/** A button and the small panel it opens; Esc, a click outside, or leaving with Tab closes it. */
export function Popover({ label, title, align = 'start', children }: Props) {
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const id = useId();

  useEffect(() => {
    if (!open) return;
    const outside = (event: Event) => {
      if (event.target instanceof Node && root.current?.contains(event.target) === false) setOpen(false);
    };
    document.addEventListener('pointerdown', outside);
    document.addEventListener('focusin', outside);
    return () => {
      document.removeEventListener('pointerdown', outside);
      document.removeEventListener('focusin', outside);
    };
  }, [open]);

  function close() {
    setOpen(false);
    button.current?.focus();
  }

  return (
    <div
      ref={root}
      className={styles.root}
      onKeyDown={(event) => {
        if (event.key === 'Escape' && open) {
          event.stopPropagation();
          close();
        }
      }}
    >
      <button
        ref={button}
        type="button"
        className={styles.button}
        aria-expanded={open}
        aria-controls={open ? id : undefined}
        aria-haspopup="dialog"
        data-popover={title}
        onClick={() => setOpen(!open)}
      >
        {label}
        <span aria-hidden="true" className={styles.sign}>
          ▾
        </span>
      </button>
      {open && (
        <div id={id} role="dialog" aria-label={title} className={styles.panel} data-align={align}>
          {typeof children === 'function' ? children(close) : children}
        </div>
      )}
    </div>
  );
}
