import { VirtualTime } from '@stox/kernel'
import { Company } from '../src/company.ts'

test('a partner is alone until another says something, and a second after that', () => {
  const time = new VirtualTime()
  const company = new Company(time)
  company.seen('a')
  expect(company.isAlone('a')).toBe(true)
  company.seen('b')
  company.seen('a')
  expect([company.isAlone('a'), company.isAlone('b'), company.isAlone('c')]).toEqual([false, false, false])
  time.advance(1000)
  company.seen('a')
  expect(company.isAlone('a')).toBe(false)
  time.advance(1)
  expect([company.isAlone('a'), company.isAlone('b')]).toEqual([true, false])
})
