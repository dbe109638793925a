import { useId } from 'react';

interface Props {
  label: string;
  value: string;
  onChange: (value: string) => void;
  placeholder?: string;
  short?: boolean;
  describedBy?: string;
}

/** A word or two beside a text. */
export function Field({ label, value, onChange, placeholder, short, describedBy }: Props) {
  const id = useId();
  return (
    <>
      <label htmlFor={id}>{label}</label>
      <input id={id} data-short={short} value={value} placeholder={placeholder} aria-describedby={describedBy} onChange={(event) => onChange(event.target.value)} />
    </>
  );
}

/** The labels that a collector must have. */
export function LabelsField({ value, onChange }: Pick<Props, 'value' | 'onChange'>) {
  return <Field label="For collectors with the labels" value={value} placeholder="none: for all collectors" onChange={onChange} />;
}
