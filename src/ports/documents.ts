/** Reads JSON text strictly, and checks values against the schemas by name. */
export interface Documents {
  parse(text: string): Parsed;
  /** What is wrong with a value; empty when nothing is. Throws a SchemaError when the schema itself is wrong. */
  validate(schema: string, value: unknown): readonly Complaint[];
  /** Whether there is a schema of this name. */
  knows(schema: string): boolean;
}

export type Parsed = { readonly value: unknown; readonly warning: string | null } | { readonly complaint: Complaint };

export interface Complaint {
  /** JSON pointer; empty for the whole document. */
  readonly pointer: string;
  readonly message: string;
}

export class SchemaError extends Error {
  override readonly name = 'SchemaError';
}
