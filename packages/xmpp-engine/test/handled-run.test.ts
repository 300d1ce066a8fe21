import { HandledRun } from '@stox/xmpp-engine'
import fc from 'fast-check'

test('XEP-0198 §4: what is acknowledged is the run without a gap, whatever the order of the outcomes', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 60 }), fc.array(fc.nat()), (count, order) => {
      const run = new HandledRun()
      const open = Array.from({ length: count }, () => run.take())
      const done = new Set<number>()
      for (const chance of order) {
        const [place] = open.splice(chance % Math.max(1, open.length), 1)
        if (place === undefined) break
        run.settle(place)
        done.add(place)
        let leading = 0
        while (done.has(leading)) leading += 1
        expect(run.handled).toBe(leading)
      }
      expect(run.taken).toBe(count)
    }),
  )
})
