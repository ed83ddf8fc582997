import path from "node:path";
import { pathToFileURL } from "node:url";
import { pathOf } from "./urls.ts";

/**
 * Where the driver's files are in this process. A worker that has them in a code package keeps them under a folder of
 * its own; all that names files, in functions that came and in values that go back, names them as the driver does.
 */
export interface FilePlaces {
  /** A number for each set of modules: what was loaded from one is not what another one has. */
  readonly id: number;
  /** Path on the driver → path here. */
  here(file: string): string;
  /** Path here → path on the driver. */
  there(file: string): string;
}

let places: FilePlaces | undefined;

/** Undefined: the driver's files are where they are. */
export function setFilePlaces(given: FilePlaces | undefined): void {
  places = given;
}

export const placesId = (): number => places?.id ?? 0;
export const areFilesElsewhere = (): boolean => places !== undefined;

/** Of the driver's path or URL, the same here. */
export const placeHere = (place: string): string => (places ? moved(place, places.here) : place);
/** Of a path or URL here, the same on the driver. */
export const placeThere = (place: string): string => (places ? moved(place, places.there) : place);

function moved(place: string, move: (file: string) => string): string {
  if (place.startsWith("file:")) {
    const query = place.slice(place.replace(/[?#].*$/, "").length);
    const file = pathOf(place);
    const target = move(file);
    return target === file ? place : pathToFileURL(target).href + query;
  }
  return path.isAbsolute(place) ? move(place) : place;
}
