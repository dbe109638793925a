import { useCallback } from 'react';
import { useTime } from './useTime';
import { inZone } from './zone';

/** Sentences of the server, with their moments in the zone of the URL. */
export function useSentence(): (sentence: string) => string {
  const { zone } = useTime();
  return useCallback((sentence) => inZone(sentence, zone, Date.now()), [zone]);
}
