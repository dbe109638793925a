/** Only a path of our own: a foreign address after sign-in would be an open redirect. */
export function safeNext(next: string | undefined): string {
  return next !== undefined && /^\/(?![/\\])/.test(next) ? next : '/';
}
