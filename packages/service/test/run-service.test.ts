import { fail, ok } from '@stox/kernel'
import { StartFailure, runService, starting, type Service, type Surroundings } from '@stox/service'

interface Told {
  readonly code: number
  readonly lines: readonly string[]
  readonly life: readonly string[]
}

/** Runs a service whose file is its path. */
async function run(
  args: readonly string[],
  more: Partial<Service<string>> = {},
  surroundings: Partial<Surroundings> = {},
): Promise<Told> {
  const lines: string[] = []
  const life: string[] = []
  const service: Service<string> = {
    name: 'edge',
    load: (path) => ok(path),
    start: async (config) => {
      life.push(`start ${config}`)
      return { close: async () => void life.push('close'), reload: async () => void life.push('reload') }
    },
    ...more,
  }
  const say = (line: string): void => void lines.push(line)
  const code = await runService(service, { args, env: {}, say, stopped: Promise.resolve(), ...surroundings })
  return { code, lines, life }
}

test('from its start to its end', async () => {
  expect(await run(['--config', 'a.yaml'])).toEqual({ code: 0, lines: [], life: ['start a.yaml', 'close'] })
})

test('asked to reload while it runs', async () => {
  const { life } = await run(['--config', 'a.yaml'], {}, { onReload: (reload) => reload() })
  expect(life).toEqual(['start a.yaml', 'reload', 'close'])
})

test('--check starts nothing', async () => {
  expect(await run(['--config', 'a.yaml', '--check'])).toEqual({ code: 0, lines: [], life: [] })
})

test.each([
  ['no file', [], /^--config: missing \(stox edge --config edge\.yaml \[--check\]\)$/],
  ['an option nobody knows', ['--confg', 'a'], /^arguments: .*confg.* \(stox edge /],
])('%s: one line, and 2', async (_what, args, line) => {
  expect(await run(args)).toEqual({ code: 2, lines: [expect.stringMatching(line)], life: [] })
})

test('each problem of the file is a line', async () => {
  const problems = ['node', ''].map((path) => ({ path, problem: 'is\nwrong', hint: 'mend it' }))
  const { code, lines } = await run(['--config', 'a'], { load: () => fail(problems) })
  expect({ code, lines }).toEqual({
    code: 2,
    lines: ['node: is wrong (mend it)', 'configuration: is wrong (mend it)'],
  })
})

describe('a start that fails', () => {
  test('is a problem of the key that was put to work', async () => {
    const taken = new Error('listen EADDRINUSE: address already in use 127.0.0.1:5269')
    const start = (): Promise<never> => starting('xmpp.listen', 'take another', () => Promise.reject(taken))
    const { code, lines } = await run(['--config', 'a'], { start })
    expect(code).toBe(2)
    expect(lines).toEqual(['xmpp.listen: cannot listen on 127.0.0.1:5269: the port is in use (take another)'])
  })

  test('of a key inside keeps that key', async () => {
    const inner = new StartFailure([{ path: 'store.url', problem: 'locked', hint: 'wait' }])
    await expect(starting('ops.listen', 'x', () => Promise.reject(inner))).rejects.toBe(inner)
  })

  test('for a reason that is ours is thrown', async () => {
    const start = (): Promise<never> => Promise.reject(new TypeError('a defect'))
    await expect(run(['--config', 'a'], { start })).rejects.toThrow('a defect')
  })
})
