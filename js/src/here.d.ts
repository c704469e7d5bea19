/** URL of the package's dist folder, ending in "/". Written twice (here.js, here.cjs): what each module system knows of itself. */
export const dist: string;
