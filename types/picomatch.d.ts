/** What Kinglet uses of picomatch 4, which has no types of its own. */
declare module "picomatch" {
  interface Options {
    /** Patterns are POSIX: `/` alone separates. */
    posix?: boolean;
    /** Patterns of what never matches. */
    ignore?: readonly string[];
  }
  export default function picomatch(glob: string, options?: Options): (text: string) => boolean;
}
