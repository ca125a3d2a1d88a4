/** A token as other programs find it under its key. */
export interface PublishedToken {
  readonly key: string;
  /** JSON. */
  readonly value: string;
  /** Epoch seconds; null for one that stays until it is taken away. */
  readonly expiresOn: number | null;
}

/** Where other programs find tokens without asking this one. */
export interface Publication {
  /** What is there now; it is written as soon as it can be. Never rejects. */
  publish(tokens: readonly PublishedToken[]): void;
  readonly connected: boolean;
  /** Resolves when everything is written, or after so many seconds. */
  settled(seconds: number): Promise<void>;
  close(): void;
}
