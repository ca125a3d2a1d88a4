/** A fingerprint of texts, in hexadecimal, from which none of them can be told. */
export type Digest = (...texts: readonly (string | null)[]) => string;
