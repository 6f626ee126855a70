// A Restate service with one handler of ten steps, each journaled before the next; announces its port on standard output.
import * as restate from '@restatedev/restate-sdk';

// The SDK counts on what Node has from 22 on.
Promise.withResolvers ??= function () {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
};

const STEPS = 10;
const flow = restate.service({
  name: 'flow',
  handlers: {
    ten: async (ctx) => {
      let n = 0;
      for (let i = 0; i < STEPS; i++) n = await ctx.run(`step${i}`, () => n + 1);
      return n;
    },
  },
});
console.log(await restate.serve({ services: [flow], port: 0, logger: () => {} }));
