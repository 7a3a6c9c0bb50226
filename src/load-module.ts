// The TypeScript text of a generated module -> the module, in any host of ES modules: transpiled and imported from a URL
// that holds it. One text is loaded once.

import type { Module } from '../targets/device.ts';
import { transpile } from '../codegen/glue/morph.ts';

/** A loader with its own cache. */
export function createLoader(): (text: string) => Promise<Module> {
  const loaded = new Map<string, Promise<Module>>();
  return (text) => {
    const known = loaded.get(text);
    if (known !== undefined) return known;
    const module = loadModule(text);
    loaded.set(text, module);
    return module;
  };
}

/** Hosts keep what they imported by its URL, which is a function of the text: loading a text twice is cheap. */
export async function loadModule(text: string): Promise<Module> {
  const url = `data:text/javascript;charset=utf-8,${encodeURIComponent(await transpile(text))}`;
  const { default: module } = (await import(/* @vite-ignore */ url)) as { default: Module };
  return module;
}
