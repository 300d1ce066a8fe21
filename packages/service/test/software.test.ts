import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { SOFTWARE } from '@stox/service'

test('XEP-0092: the version that is told is that of the package', () => {
  const { version } = JSON.parse(readFileSync(join(__dirname, '../package.json'), 'utf8')) as { version: string }
  expect(SOFTWARE).toEqual({ name: 'stox', version })
})
