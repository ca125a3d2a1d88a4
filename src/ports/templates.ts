/** The templates of one delivery, the root's own before the shipped ones. */
export interface Templates {
  /** Every output there is a template for, by name, and whether the root's own folder brings it. */
  list(): readonly {
    readonly output: string;
    readonly file: string;
    readonly own: boolean;
    readonly signature: string;
  }[];
  /** Renders one. Throws a TemplateError that names the template and its line. */
  render(output: string, context: object): string;
}

export class TemplateError extends Error {
  override readonly name = 'TemplateError';
  readonly file: string;

  constructor(file: string, message: string, cause?: unknown) {
    super(message, { cause });
    this.file = file;
  }
}
