import type { Gap } from '../api/model';
import { useTime } from '../time/useTime';
import { gapSentences } from './gaps';
import { Notice } from './Notice';
import { Several } from './Several';

/** Where nothing was read, and why. */
export function GapNotices({ gaps }: { gaps: readonly Gap[] }) {
  const { zone } = useTime();
  return gapSentences(gaps, zone, Date.now()).map((sentence) => (
    <Notice key={sentence.text} kind="note">
      <Several {...sentence} />
    </Notice>
  ));
}
