import { inspect } from "node:util";
import { UsageError } from "../errors.ts";

/** Of all secrets that this program has named. */
const names = new Set<string>();

/** Their values, for workers that don't have this program's environment. */
export function knownSecrets(): Record<string, string> {
  const values: Record<string, string> = {};
  for (const name of names) {
    const value = process.env[name];
    if (value !== undefined) values[name] = value;
  }
  return values;
}

/**
 * A secret that travels as its name only: neither the function's bytes nor any log holds its value, which each
 * worker reads from its own environment, or is sent with its task, encrypted, where it runs elsewhere.
 *
 * @example
 * const key = secret("API_KEY");
 * await pool.map((id) => fetch(`https://api.example.com/${id}`, { headers: { authorization: key.value } }), ids);
 */
export class Secret {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
    names.add(name);
  }

  /** @throws UsageError BAD_ARGUMENT if the environment variable isn't set here */
  get value(): string {
    const value = process.env[this.name];
    if (value === undefined) {
      throw new UsageError(
        "BAD_ARGUMENT",
        `secret ${this.name}: the environment variable ${this.name} is not set`,
        {
          remedy: `Set it where the program starts: ${this.name}=… node script.ts`,
        },
      );
    }
    return value;
  }

  toString(): string {
    return `[secret ${this.name}]`;
  }

  toJSON(): string {
    return this.toString();
  }

  [inspect.custom](): string {
    return this.toString();
  }
}

/** Names a secret. @throws UsageError BAD_ARGUMENT at once if the environment variable isn't set */
export function secret(name: string): Secret {
  if (typeof name !== "string" || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
    throw new UsageError(
      "BAD_ARGUMENT",
      `secret: ${JSON.stringify(name)} is no name of an environment variable`,
      {
        remedy: 'Pass its name, not its value: secret("API_KEY").',
      },
    );
  }
  const found = new Secret(name);
  void found.value; // a missing one is an error here, not in a thousand tasks
  return found;
}
