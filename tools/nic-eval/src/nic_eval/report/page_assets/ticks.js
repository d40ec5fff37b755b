// Where the axes of the chart have their marks.

// Round steps between two bounds, about `count` of them.
const linearTicks = (low, high, count) => {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) ticks.push(i * step);
  return ticks.map((tick) => ({ at: tick, text: fixed(tick, Math.max(0, -Math.floor(Math.log10(step) + 1e-9))) }));
};

// 1, 2 and 5 of each power of ten.
const logTicks = (low, high) => {
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power++) {
    for (const factor of [1, 2, 5]) {
      const tick = factor * 10 ** power;
      if (tick >= low * 0.999 && tick <= high * 1.001) ticks.push({ at: tick, text: tick.toFixed(Math.max(0, -power)) });
    }
  }
  return ticks;
};
