/** An answer of the API that is not the wanted one, or no answer at all (`status` 0). */
export class ApiError extends Error {
  readonly status: number;
  readonly requestId: string | null;
  readonly retryAfterSeconds: number | null;
  /** Which fields of what was sent were refused, and why. */
  readonly details: readonly { path: string; reason: string }[];

  constructor(
    status: number,
    message: string,
    requestId: string | null,
    retryAfterSeconds: number | null = null,
    details: readonly { path: string; reason: string }[] = [],
  ) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
    this.requestId = requestId;
    this.retryAfterSeconds = retryAfterSeconds;
    this.details = details;
  }

  /** Reads the API's error body; anything else becomes a plain sentence. */
  static from(status: number, body: unknown, headers?: Headers): ApiError {
    const field = (name: string): unknown =>
      typeof body === 'object' && body !== null ? (body as Record<string, unknown>)[name] : undefined;
    const message = field('message');
    const requestId = field('request_id');
    const retryAfter = Number(headers?.get('Retry-After') ?? Number.NaN);
    return new ApiError(
      status,
      typeof message === 'string' ? message : 'The server gave no explanation.',
      typeof requestId === 'string' ? requestId : (headers?.get('X-Request-ID') ?? null),
      Number.isFinite(retryAfter) ? retryAfter : null,
      Array.isArray(field('details')) ? (field('details') as { path: string; reason: string }[]) : [],
    );
  }
}
