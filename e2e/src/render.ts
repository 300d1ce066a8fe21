import { readFileSync, writeFileSync } from 'node:fs'

/** Writes a configuration from its template: each `@NAME@` is given a value, a forgotten one is our mistake. */
export function renderFile(template: string, target: string, values: Readonly<Record<string, string | number>>): void {
  const text = readFileSync(template, 'utf8').replace(/@([A-Z][A-Z0-9_]*)@/g, (_all, name: string) => {
    const value = values[name]
    if (value === undefined) throw new Error(`${template} needs ${name}`)
    return String(value)
  })
  writeFileSync(target, text)
}
