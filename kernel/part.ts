/** @file A part of the declarations of what the running Node has. */

/** Some declarations, and whether what they declare is there. */
export interface Part {
  readonly has: boolean;
  readonly text: string;
}
