// In the bundle, in the place of the platform's Headers (https://fetch.spec.whatwg.org/#headers-class): touching that
// one loads all of undici, 10 MB and 15 ms, and requests are sent with node:http anyway, which checks names and values.

export class Headers {
  #values = new Map();

  constructor(init) {
    const pairs = init == null ? [] : typeof init[Symbol.iterator] === 'function' ? init : Object.entries(init);
    for (const [name, value] of pairs) this.append(name, value);
  }

  append(name, value) {
    const before = this.get(name);
    this.set(name, before === null ? value : `${before}, ${value}`);
  }

  set(name, value) {
    this.#values.set(name.toLowerCase(), String(value));
  }

  get(name) {
    return this.#values.get(name.toLowerCase()) ?? null;
  }

  has(name) {
    return this.#values.has(name.toLowerCase());
  }

  delete(name) {
    this.#values.delete(name.toLowerCase());
  }

  forEach(use) {
    for (const [name, value] of this) use(value, name, this);
  }

  keys() {
    return this.#values.keys();
  }

  values() {
    return this.#values.values();
  }

  entries() {
    return this.#values.entries();
  }

  [Symbol.iterator]() {
    return this.entries();
  }
}
