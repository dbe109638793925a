import type { Gap } from '../api/model';
import { useTime } from '../time/useTime';
import { gapSentences } from './gaps';
import { Notice } from './Notice';
import { Several } from './Several';

/** Where nothing was read, and why. */
export function GapNotices({ gaps }: { gaps: readonly Gap[] }) {
  const { zone } = useTime();
  const sentences = gapSentences(gaps, zone, Date.now());
  if (sentences.length === 0) return null;
  return (
    <Notice kind="note">
      {sentences.map((sentence) => (
        <div key={sentence.text}>
          <Several {...sentence} />
        </div>
      ))}
    </Notice>
  );
}
