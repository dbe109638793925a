import type { FlaggedInterval } from '../api/model';
import { useTime } from '../time/useTime';
import { flagSentences } from './flags';
import { Notice } from './Notice';
import styles from './FlagNotices.module.css';

/** What happened in the range that makes figures a lower bound. */
export function FlagNotices({ flags, things }: { flags: FlaggedInterval[]; things?: string }) {
  const { zone } = useTime();
  return flagSentences(flags, zone, Date.now(), things).map((sentence) => (
    <Notice key={sentence.reason} kind={sentence.reason === 'gap' ? 'note' : 'warning'}>
      {sentence.details.length === 0 ? (
        sentence.text
      ) : (
        <details className={styles.many}>
          <summary>{sentence.text}</summary>
          <ul>
            {sentence.details.map((detail, index) => (
              <li key={index}>{detail}</li>
            ))}
          </ul>
        </details>
      )}
    </Notice>
  ));
}
