import { useState } from 'react';

/** What is in force, as it is typed. Version 0 is before the first one; without a tag there is none, or it was removed. */
export interface Newest<Typed> {
  version: number;
  etag: string | null;
  typed: Typed;
}

/** What a change says of the newest version. */
interface Made {
  version?: number | null;
  etag?: string | null;
}

export interface Draft<Typed> {
  typed: Typed;
  /** What it is made from. */
  base: Newest<Typed>;
  type: (typed: Typed) => void;
  /** The version that somebody else wrote meanwhile, where it is not what is typed. */
  newer: number | null;
  /** Takes that one in place of what is typed. */
  load: () => void;
  /** Goes on from a version that was made. */
  made: (made: Made, typed: Typed) => void;
}

const isSame = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);

/** What becomes of a draft when there is a newer version: null where whoever types must say. */
export function followed<Typed>(typed: Typed, base: Newest<Typed>, newest: Newest<Typed>): Typed | null {
  if (isSame(typed, base.typed)) return newest.typed;
  return isSame(typed, newest.typed) || isSame(base.typed, newest.typed) ? typed : null;
}

/** What somebody types over the newest version, and what it was made from. */
export function useDraft<Typed>(newest: Newest<Typed>): Draft<Typed> {
  const [base, setBase] = useState(newest);
  const [typed, type] = useState(newest.typed);
  const isNewer = newest.version > base.version;
  const follows = isNewer ? followed(typed, base, newest) : null;
  if (follows !== null) {
    setBase(newest);
    type(follows);
  }
  const load = () => {
    setBase(newest);
    type(newest.typed);
  };
  const made = ({ version, etag }: Made, as: Typed) => {
    if (version != null) setBase({ version, etag: etag ?? null, typed: as });
  };
  return { typed, base, type, newer: isNewer ? newest.version : null, load, made };
}

/** What a change was made from, so that it is refused where somebody else was first. */
export function madeFrom(etag: string | null): { ifMatch?: string; ifNoneMatch?: string } {
  return etag === null ? { ifNoneMatch: '*' } : { ifMatch: etag };
}
