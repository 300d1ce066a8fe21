import { Realm } from './external-peer.ts'
import type { RawPeer, TestServer } from './xmpp-support.ts'
import { TableResolver } from './xmpp-support.ts'

const ROMEO = 'montague.example'
const JULIET = 'capulet.example'
const SM = `xmlns='urn:xmpp:sm:3'`

let realm: Realm
beforeAll(async () => (realm = await Realm.create()))
afterEach(() => realm.close())

const message = (id: string) => `<message from='r@${ROMEO}' to='j@${JULIET}' id='${id}'><body>Hi</body></message>`
const answersIn = (peer: RawPeer) => [...peer.heard.matchAll(/<a [^>]*h='(\d+)'/g)].map((found) => Number(found[1]))

describe('inbound', () => {
  /** Each stanza waits for its outcome by its id. */
  const scene = async () => {
    const juliet = await realm.server(JULIET, new TableResolver(), ROMEO)
    const outcomes = new Map<string, () => void>()
    juliet.onStanza = ({ stanza }) => new Promise<void>((resolve) => outcomes.set(stanza.id ?? '', resolve))
    const romeo = await realm.peer(ROMEO, juliet)
    expect(romeo.heard).toContain(`<sm ${SM}/>`)
    return { juliet, romeo, end: (id: string) => outcomes.get(id)?.() }
  }
  const enabled = async (romeo: RawPeer) => {
    romeo.say(`<enable ${SM}/>`)
    await romeo.hears(/<enabled [^>]*\/>/)
  }
  const arrive = (juliet: TestServer, count: number) => juliet.until(() => juliet.arrived.length === count)

  test('XEP-0198 §4: acknowledged is the leading run of those that have their outcome, and no more', async () => {
    const { juliet, romeo, end } = await scene()
    romeo.say(message('before'))
    await enabled(romeo)
    romeo.say(message('m1') + message('m2') + message('m3') + `<r ${SM}/>`)
    await arrive(juliet, 4)
    await romeo.hears(/<a [^>]*h='0'/)
    end('m2')
    end('m3')
    // What came before <enable/> does not count, and what waits for m1 does not either.
    end('before')
    end('m1')
    // Unasked, as soon as there is something to say.
    await romeo.hears(/<a [^>]*h='3'/)
    expect(answersIn(romeo)).toEqual([0, 3])
    expect(juliet.endpoint.streams()).toMatchObject([{ streamManagement: true, stanzasIn: 4 }])
  })

  test('a broken stanza counts once it is answered', async () => {
    const { romeo } = await scene()
    await enabled(romeo)
    romeo.say(`<iq from='r@${ROMEO}' to='j@${JULIET}' type='get'><q xmlns='x'/></iq><r ${SM}/>`)
    await romeo.hears(/<a [^>]*h='1'/)
  })

  test('who does not wait is not told, and who waits is not told of each', async () => {
    const { juliet, romeo, end } = await scene()
    await enabled(romeo)
    const ids = Array.from({ length: 200 }, (_, count) => `m${count}`)
    romeo.say(ids.map(message).join(''))
    await arrive(juliet, 200)
    for (const id of ids.slice(0, 100)) end(id)
    romeo.say(`<r ${SM}/>`)
    await romeo.hears(/<a [^>]*h='100'/)
    expect(answersIn(romeo)).toEqual([100])
    for (const id of ids.slice(100)) end(id)
    await romeo.hears(/<a [^>]*h='200'/)
    expect(answersIn(romeo).length).toBeLessThan(10)
  })

  test('XEP-0198 §6: a count of ours that is too high ends the stream', async () => {
    const { juliet, romeo } = await scene()
    await enabled(romeo)
    romeo.say(`<a ${SM} h='1'/>`)
    await romeo.hears(/<undefined-condition [^>]*\/><handled-count-too-high [^>]*h='1' send-count='0'\/>/)
    await romeo.closes()
    expect(juliet.refused).toEqual(['stream-management'])
  })

  test('XEP-0198 §7: the last count comes before the end of the stream', async () => {
    const { juliet, romeo, end } = await scene()
    await enabled(romeo)
    romeo.say(message('m1') + message('m2'))
    await arrive(juliet, 2)
    end('m1')
    // The promise's own turn.
    await new Promise((resolve) => setImmediate(resolve))
    juliet.endpoint.closeStream(juliet.ups[0]?.streamId ?? '')
    await romeo.hears(/<a [^>]*h='1'\/><\/stream:stream>/)
  })
})
