/** In a browser there is no native code for the suite: the portable provider takes its place, byte for byte the same. */
export { nobleProvider as nativeProvider } from "../../../src/secure_agg/noble_provider.ts";
