import { readFile } from 'node:fs/promises'

/** The files that pages are shown with: few and small, so they are read once. */
const files = {
  'style.css': 'text/css',
  'live.js': 'text/javascript',
  'icon.svg': 'image/svg+xml',
} as const

export type AssetName = keyof typeof files

export interface Asset {
  name: AssetName
  type: string
  body: string
}

export const readAssets = async (): Promise<Asset[]> =>
  await Promise.all(
    (Object.keys(files) as AssetName[]).map(async (name) => ({
      name,
      type: files[name],
      body: await readFile(new URL(`assets/${name}`, import.meta.url), 'utf8'),
    })),
  )
