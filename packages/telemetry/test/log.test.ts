import { createLog, type LogLevel } from '../src/log.ts'

function lines(level: LogLevel, write: (log: ReturnType<typeof createLog>) => void): Record<string, unknown>[] {
  const written: string[] = []
  write(createLog({ level, name: 'edge', destination: { write: (line) => void written.push(line) } }))
  return written.map((line): Record<string, unknown> => JSON.parse(line))
}

test('an event is one JSON line with level, time, name, event and its fields', () => {
  const [line, ...rest] = lines('info', (log) =>
    log.info('message-ended', { correlationId: 'c1', status: 200, text: 'a\n"b"', unset: undefined }),
  )
  expect(rest).toEqual([])
  expect(line).toEqual({
    level: 'info',
    time: expect.stringMatching(/^\d{4}-.*Z$/),
    name: 'edge',
    event: 'message-ended',
    correlationId: 'c1',
    status: 200,
    text: 'a\n"b"',
  })
})

test.each<[LogLevel, string[]]>([
  ['debug', ['debug', 'info', 'warn', 'error']],
  ['info', ['info', 'warn', 'error']],
  ['warn', ['warn', 'error']],
  ['error', ['error']],
  ['silent', []],
])('level %s lets %j through', (level, expected) => {
  const written = lines(level, (log) => {
    log.debug('a')
    log.info('b')
    log.warn('c')
    log.error('d')
  })
  expect(written.map((line) => line['level'])).toEqual(expected)
})
