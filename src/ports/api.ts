import type { ApiAddress } from '../ground/api-settings.js';

/** A server that is built and can be asked to listen. */
export interface Listenable {
  listen(where: { readonly host: string; readonly port: number } | { readonly path: string }): Promise<string>;
  close(): Promise<void>;
}

/** Makes a server listen; gives where, for people. Rejects (Error) with a reason for people. */
export type Listen = (server: Listenable, where: ApiAddress, root: string) => Promise<string>;

/** The key that programs show; made when there is none. Rejects (FileError) when it can be neither read nor made. */
export type ApiKey = () => Promise<string>;

/** Whether two texts are the same, in a time that does not tell where they differ. */
export type SameSecret = (a: string, b: string) => boolean;
