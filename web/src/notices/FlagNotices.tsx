import type { FlaggedInterval } from '../api/model';
import { useTime } from '../time/useTime';
import { flagSentences } from './flags';
import { Notice } from './Notice';
import { Several } from './Several';

/** What happened in the range that makes figures a lower bound; gaps are told by themselves. */
export function FlagNotices({ flags, things }: { flags: FlaggedInterval[]; things?: string }) {
  const { zone } = useTime();
  const happened = flags.filter((flag) => flag.reason !== 'gap');
  return flagSentences(happened, zone, Date.now(), things).map((sentence) => (
    <Notice key={sentence.reason} kind="warning">
      <Several text={sentence.text} details={sentence.details} />
    </Notice>
  ));
}
