/**
 * A promise that is made when someone first asks for it: a job that is only iterated never collects its results,
 * and a failure that nobody asked for is no unhandled rejection.
 */
export abstract class LazyPromise<T> implements Promise<T> {
  #promise: Promise<T> | undefined;

  /** Called once, at the first `then`. */
  protected abstract start(): Promise<T>;

  get observed(): boolean {
    return this.#promise !== undefined;
  }

  // biome-ignore lint/suspicious/noThenProperty: being awaited is what it is for
  then<A = T, B = never>(
    onValue?: ((value: T) => A | PromiseLike<A>) | null,
    onError?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return (this.#promise ??= this.start()).then(onValue, onError);
  }

  catch<B = never>(onError?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<T | B> {
    return this.then(undefined, onError);
  }

  finally(onEnd?: (() => void) | null): Promise<T> {
    return this.then().finally(onEnd) as Promise<T>;
  }

  get [Symbol.toStringTag](): string {
    return "Promise";
  }
}
