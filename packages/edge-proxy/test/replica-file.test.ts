import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ReplicaFile } from '../src/replica-file.ts'
import { logOf, replicaOf, type Line } from './samples.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'stox-replica-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

test('what was saved last is loaded, by nobody but us, and no draft is left', async () => {
  const path = join(directory, 'data', 'replica.json')
  const file = new ReplicaFile(path, logOf([]))
  for (const revision of [1, 2, 3]) file.save(replicaOf({ revision }))
  await file.close()
  expect(new ReplicaFile(path, logOf([])).load()).toEqual(replicaOf({ revision: 3 }))
  expect(statSync(path).mode & 0o777).toBe(0o600)
  expect(readdirSync(join(directory, 'data'))).toEqual(['replica.json'])
})

test('nothing there: nothing loaded, nothing said', () => {
  const lines: Line[] = []
  expect(new ReplicaFile(join(directory, 'none.json'), logOf(lines)).load()).toBeUndefined()
  expect(lines).toEqual([])
})

test.each([
  ['no JSON', 'nonsense'],
  ['half a file', JSON.stringify(replicaOf()).slice(0, 100)],
  ['a short secret', JSON.stringify({ ...replicaOf(), dialbackSecret: 'x' })],
])('%s is said and passed over: it is only a memory', (_case, text) => {
  const path = join(directory, 'replica.json')
  writeFileSync(path, text)
  const lines: Line[] = []
  expect(new ReplicaFile(path, logOf(lines)).load()).toBeUndefined()
  expect(lines).toMatchObject([{ event: 'replica-file-unusable' }])
})

test('a file that cannot be read is a problem of the configuration', () => {
  expect(() => new ReplicaFile(directory, logOf([])).load()).toThrow('EISDIR')
})

test('a disk that cannot be written is said, and the old content stays', async () => {
  const path = join(directory, 'replica.json')
  writeFileSync(path, 'old')
  mkdirSync(`${path}.new`)
  const lines: Line[] = []
  const file = new ReplicaFile(path, logOf(lines))
  file.save(replicaOf())
  await file.close()
  expect(lines).toMatchObject([{ level: 'error', event: 'replica-file-not-written' }])
  expect(readFileSync(path, 'utf8')).toBe('old')
})

test.each(['/proc/none/replica.json', '/dev/null/replica.json'])(
  '%s could never be written: said at the start',
  (path) => {
    expect(() => new ReplicaFile(path, logOf([])).load()).toThrow(/ENOENT|ENOTDIR/)
  },
)
