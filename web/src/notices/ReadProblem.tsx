import type { ApiError } from '../api/error';
import { Foreign } from '../format/Foreign';
import { useSession } from '../session/session';
import { Button } from '../shell/Button';
import { useTime } from '../time/useTime';
import { clock } from '../time/zone';
import { Notice } from './Notice';

interface Props {
  /** What could not be loaded: "queries". */
  what: string;
  error: ApiError;
  /** When the figures still shown came; 0 when there are none. */
  shownAt?: number;
  retry: () => void;
  /** What a 404 means here. */
  absent?: string;
}

/** One failed read, in the words of its status: what was asked wrongly is not asked again. What is on the page stays. */
export function ReadProblem({ what, error, shownAt = 0, retry, absent }: Props) {
  const { zone, live } = useTime();
  const session = useSession();
  if (error.status === 403) {
    return (
      <Notice kind="warning">
        Your role{session.state === 'in' ? ` (${session.user.role})` : ''} may not see this.
      </Notice>
    );
  }
  if (error.status === 404) {
    return <Notice kind="warning">{absent ?? 'No such instance, or not yours to see.'}</Notice>;
  }
  if (error.status === 400) {
    return (
      <Notice kind="warning">
        Could not load {what}: <Foreign text={error.message} />
      </Notice>
    );
  }
  if (error.status === 429) {
    return (
      <Notice kind="warning" live>
        Too many requests.
        {error.retryAfterSeconds !== null && live && ` Next refresh in ${error.retryAfterSeconds} s.`}{' '}
        {!live && <Button onClick={retry}>Retry</Button>}
      </Notice>
    );
  }
  return (
    <Notice kind="critical" live>
      Could not load {what} ({error.status === 0 ? 'no answer' : error.status}).
      {shownAt > 0 && ` Showing ${clock(shownAt, zone)}.`} <Button onClick={retry}>Retry</Button>
      {error.requestId !== null && (
        <>
          {' '}
          Request <code>{error.requestId}</code>
        </>
      )}
    </Notice>
  );
}
