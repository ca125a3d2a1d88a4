export interface TemplateListed {
  readonly output: string;
  readonly file: string;
  readonly own: boolean;
  /** Changes with the template and with what it may include. */
  readonly signature: string;
  /** Why it cannot be a template, or null. */
  readonly trouble: string | null;
}

/** The templates of one delivery, the root's own before the shipped ones. */
export interface Templates {
  /** Every output there is a template for, by name, and whether the root's own folder brings it. */
  list(): readonly TemplateListed[];
  /** Partials that cannot be included, by whichever template. */
  troubles(): readonly TemplateError[];
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
