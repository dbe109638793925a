import type { ReactNode } from 'react';
import { visible } from '../format/visible';
import styles from './Button.module.css';

interface Props {
  children: ReactNode;
  onClick: () => void;
  /** For what the sign alone does not say. */
  label?: string;
  hint?: string;
  pressed?: boolean;
  disabled?: boolean;
  quiet?: boolean;
}

export function Button({ children, onClick, label, hint, pressed, disabled = false, quiet = false }: Props) {
  return (
    <button
      type="button"
      className={quiet ? styles.quiet : styles.button}
      onClick={onClick}
      aria-label={label === undefined ? undefined : visible(label)}
      aria-pressed={pressed}
      data-hint={hint}
      disabled={disabled}
    >
      {children}
    </button>
  );
}
