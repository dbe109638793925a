import type { TemplateChange } from '../api/model';

/** What a change that concerns many collectors comes to. */
export function outcomeSentence(change: TemplateChange): string {
  const { collectors, collectors_changed: changed, collectors_refusing: refusing } = change;
  if (collectors === 0) return 'No collector has these labels.';
  const all = `It is for ${collectors} ${collectors === 1 ? 'collector' : 'collectors'}`;
  const what = changed === 0 ? 'nothing changes for any of them' : `${changed} of them ${changed === 1 ? 'gets' : 'get'} something else`;
  return refusing === 0 ? `${all}; ${what}.` : `${all}; ${refusing} would refuse what they get, so it cannot be saved.`;
}

/** Whether nobody would refuse it. */
export const isTaken = (change: TemplateChange): boolean => change.collectors_refusing === 0;
