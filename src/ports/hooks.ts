/** Something that a person may want to be told by a command of theirs. Holds no secret. */
export type HookEvent =
  | { readonly event: 'change' /** Absolute paths. */; readonly outputs: readonly string[] }
  | {
      readonly event: 'login-needed';
      readonly token: string;
      readonly reason: string;
      /** What to run. */
      readonly command: string;
    };

/** The commands of `--on-change` and `--on-login-needed`. */
export interface Hooks {
  /** Runs the command for it, after those of its kind and token; does nothing where there is none. */
  tell(event: HookEvent): void;
  /** What is taken out of the output of hooks before it is logged. */
  conceal(clean: (text: string) => string): void;
  /** Resolves when none is running; after so many seconds what still runs is ended. */
  settled(patience: number): Promise<void>;
}
