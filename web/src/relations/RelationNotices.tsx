import type { Unmeasured, Unreadable } from '../api/model';
import { CapabilityNotice } from '../notices/Notice';

interface Props {
  unmeasured: Unmeasured;
  notReadable: Unreadable[];
  /** The fields whose reasons matter: those of the columns that are shown. */
  fields: string[];
}

/** What is not measured here, once per reason, and the SQL that mends it. */
export function RelationNotices({ unmeasured, notReadable, fields }: Props) {
  const reasons = new Map<string, string | null | undefined>();
  for (const one of notReadable) reasons.set(one.message, one.fix);
  for (const field of fields) {
    const reason = unmeasured[field];
    if (reason !== undefined && !reasons.has(reason.message)) reasons.set(reason.message, reason.fix);
  }
  return [...reasons].map(([message, fix]) => <CapabilityNotice key={message} message={message} fix={fix} />);
}
