import { VirtualTime } from '@stox/kernel'
import type { AdmissionLimits, Place } from '../src/admission.ts'
import { Admission, networkOf } from '../src/admission.ts'

const LIMITS: AdmissionLimits = {
  unauthenticated: 6,
  unauthenticatedPerAddress: 3,
  fruitlessPerSecond: 100,
  fruitlessPerSecondPerAddress: 100,
}
const PARTNER = 'montague.example'
const AT = '192.0.2.1'

function stage(limits: Partial<AdmissionLimits> = {}, connectionLimit = 100) {
  const time = new VirtualTime()
  const admission = new Admission(time, { ...LIMITS, ...limits }, () => connectionLimit)
  const evicted: Place[] = []
  /** One that has come, or why not. */
  const come = (address: string, claims?: string): Place | string => {
    const place = admission.admit(address)
    if (!place.ok) return place.failure
    place.value.claims = claims
    place.value.evict = () => {
      evicted.push(place.value)
      admission.release(place.value)
    }
    return place.value
  }
  /** A partner has been there, and is gone. */
  const makeKnown = (address: string): void => {
    const place = come(address)
    if (typeof place === 'string') throw new Error(place)
    admission.prove(place, PARTNER, address)
    admission.release(place)
  }
  return { time, admission, evicted, come, makeKnown }
}

describe('strangers', () => {
  test('so many from one address, and from others still', () => {
    const { come } = stage()
    expect([1, 2, 3].map(() => typeof come(AT))).toEqual(['object', 'object', 'object'])
    expect(come(AT)).toContain('from there that have not authenticated')
    expect(come('192.0.2.2')).toBeInstanceOf(Object)
  })

  test('so many in all', () => {
    const { come } = stage()
    for (let count = 0; count < 6; count += 1) come(`192.0.2.${count}`)
    expect(come('192.0.2.9')).toBe('too many connections that have not authenticated')
  })

  test('the oldest makes way, but not within its first five seconds', () => {
    const { come, time, evicted } = stage()
    const [first] = [1, 2, 3].map(() => come(AT))
    time.advance(4_999)
    expect(come(AT)).toEqual(expect.any(String))
    time.advance(1)
    expect(come(AT)).toBeInstanceOf(Object)
    expect(evicted).toEqual([first])
  })

  test('what is given back is free again', () => {
    const { come, admission } = stage()
    const places = [1, 2, 3].map(() => come(AT))
    for (const place of places) if (typeof place !== 'string') admission.release(place)
    expect(admission.total).toBe(0)
    expect([1, 2, 3].map(() => typeof come(AT))).toEqual(['object', 'object', 'object'])
  })

  test('connections that come to nothing have a rate; those that prove themselves have none', () => {
    const { come, admission, time } = stage({ fruitlessPerSecondPerAddress: 1, unauthenticatedPerAddress: 100 })
    for (let count = 0; count < 6; count += 1) {
      const place = come(AT)
      if (typeof place !== 'string') admission.release(place)
    }
    expect(come(AT)).toContain('come to nothing')
    time.advance(1_000)
    for (let count = 0; count < 50; count += 1) {
      const place = come(AT)
      if (typeof place === 'string') throw new Error(place)
      admission.prove(place, PARTNER, AT)
      admission.release(place)
    }
  })

  test('an IPv6 network is one address', () => {
    const { come } = stage()
    for (let count = 1; count < 4; count += 1) expect(come(`2001:db8:1:2::${count}`)).toBeInstanceOf(Object)
    expect(come('2001:db8:1:2:ffff::9')).toEqual(expect.any(String))
    expect(come('2001:db8:1:3::1')).toBeInstanceOf(Object)
  })
})

describe('asked, and nothing done', () => {
  test.each<[string, string | undefined, Partial<AdmissionLimits>, number, readonly string[]]>([
    ['room', undefined, {}, 100, ['192.0.2.2']],
    ['its address is full', 'from there that have not authenticated', {}, 100, [AT, AT, AT]],
    ['all strangers', 'that have not authenticated', { unauthenticated: 2 }, 100, ['192.0.2.2', '192.0.2.3']],
    ['all connections', 'the limit of all connections', {}, 1, ['192.0.2.2']],
    ['fruitless from there', 'from there that come to', { fruitlessPerSecondPerAddress: 1 / 6 }, 100, [AT]],
    ['fruitless from anywhere', 'of strangers that come to', { fruitlessPerSecond: 1 / 6 }, 100, ['192.0.2.2']],
  ])('%s: as who comes would be told', (_what, why, limits, connectionLimit, before) => {
    const { admission, come } = stage(limits, connectionLimit)
    for (const address of before) come(address)
    const said = admission.whyNot(AT)
    if (why === undefined) expect(said).toBeUndefined()
    else expect(said).toContain(why)
    expect(admission.admit(AT)).toMatchObject(said === undefined ? { ok: true } : { ok: false, failure: said })
  })

  test('who would make way stays', () => {
    const { admission, come, makeKnown, evicted } = stage({ unauthenticated: 3 }, 4)
    makeKnown(AT)
    for (const address of ['192.0.2.2', AT, AT, AT]) come(address)
    for (let count = 0; count < 100; count += 1) expect(admission.whyNot(AT)).toBeUndefined()
    expect(evicted).toEqual([])
    expect(admission.total).toBe(4)
  })
})

describe('a partner among strangers', () => {
  test('behind the same address: always let in, and a stranger makes way at once', () => {
    const { come, makeKnown, evicted } = stage()
    makeKnown(AT)
    const [first] = [1, 2, 3].map(() => come(AT))
    const partner = come(AT, PARTNER)
    expect(partner).toBeInstanceOf(Object)
    expect(evicted).toEqual([first])
    for (let count = 0; count < 5; count += 1) expect(come(AT)).toBeInstanceOf(Object)
    expect(evicted).not.toContain(partner)
  })

  test('strangers from everywhere do not fill its share', () => {
    const { come, makeKnown, evicted } = stage()
    makeKnown(AT)
    for (let count = 10; count < 16; count += 1) come(`192.0.2.${count}`)
    expect(come('192.0.2.99')).toEqual(expect.any(String))
    expect(come(AT)).toBeInstanceOf(Object)
    expect(evicted).toEqual([])
  })

  test('nor the limit of all connections, either way', () => {
    const { come, makeKnown, evicted, admission } = stage({}, 4)
    makeKnown(AT)
    for (let count = 10; count < 14; count += 1) come(`192.0.2.${count}`)
    expect(come('192.0.2.99')).toBe('the limit of all connections is reached')
    expect(come(AT)).toBeInstanceOf(Object)
    expect(admission.reserve(PARTNER, 'stanzas', 20)).toMatchObject({ ok: true })
    expect(evicted).toHaveLength(2)
    expect(admission.total).toBe(4)
  })

  test('an address is known for a day', () => {
    const { admission, makeKnown, time } = stage()
    makeKnown(AT)
    time.advance(86_399_999)
    expect(admission.isKnown(AT)).toBe(true)
    time.advance(1)
    expect(admission.isKnown(AT)).toBe(false)
  })
})

describe('one partner', () => {
  test('both directions count together, verification apart', () => {
    const { come, admission } = stage()
    const inbound = come(AT, PARTNER)
    if (typeof inbound === 'string') throw new Error(inbound)
    expect(admission.hasRoom(PARTNER, 'stanzas', 1)).toBe(true)
    admission.prove(inbound, PARTNER, AT)
    expect(admission.hasRoom(PARTNER, 'stanzas', 1)).toBe(false)
    expect(admission.reserve(PARTNER, 'stanzas', 1)).toEqual({ ok: false, failure: `${PARTNER} has its 1 connections` })
    expect(admission.reserve(PARTNER, 'verify', 1)).toMatchObject({ ok: true })
    expect(admission.hasRoom('other.example', 'stanzas', 1)).toBe(true)
    admission.release(inbound)
    expect(admission.hasRoom(PARTNER, 'stanzas', 1)).toBe(true)
  })

  test('proven twice, counted once', () => {
    const { come, admission } = stage()
    const place = come(AT)
    if (typeof place === 'string') throw new Error(place)
    admission.prove(place, PARTNER, AT)
    admission.prove(place, PARTNER, AT)
    expect(admission.hasRoom(PARTNER, 'stanzas', 2)).toBe(true)
  })
})

test.each([
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['2001:0db8:0001:0002:3:4:5:6', '2001:db8:1:2::/64'],
  ['::1', '0:0:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
])('the network of %s', (address, network) => expect(networkOf(address)).toBe(network))
