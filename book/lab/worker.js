// What runs beside the page, in a worker: it keeps the networks and one request for each panel. A newer request of a
// panel takes the place of the older one, and panels take turns, pass by pass.
Lab.parts.push(function worker(lab) {
  const BETWEEN = 120; // milliseconds between two maps on their way

  lab.serve = function (scope) {
    const trained = new Map();
    const ready = new Map(); // scrambled copies
    const jobs = new Map();
    const next = new MessageChannel();
    next.port1.onmessage = turn;

    scope.onmessage = ({ data }) => {
      if (data.network) keep(data);
      else if (data.job) begin(data);
      else jobs.delete(data.panel);
    };

    function keep({ network, text, plan }) {
      try {
        trained.set(network, text === undefined ? lab.untrained(plan, 0) : lab.readNetwork(lab.decode(text)));
        scope.postMessage({ network });
      } catch (error) {
        scope.postMessage({ network, error: error.message });
      }
    }

    function network({ network: name, scramble, seed }) {
      if (!scramble) return trained.get(name);
      const key = `${name} ${scramble} ${seed}`;
      if (!ready.has(key)) {
        if (ready.size > 7) ready.clear();
        ready.set(key, trained.get(name).scrambled(scramble, seed));
      }
      return ready.get(key);
    }

    function begin({ panel, id, job }) {
      const idle = jobs.size === 0;
      jobs.delete(panel);
      jobs.set(panel, { id, job, shown: performance.now() });
      if (idle) next.port2.postMessage(0);
    }

    function turn() {
      const [panel, current] = jobs.entries().next().value ?? [];
      if (!current) return;
      jobs.delete(panel);
      const { id, job } = current;
      try {
        current.passes ??= lab.explain({ ...job, net: network(job), name: `${job.network} ${job.scramble} ${job.seed}` });
        const { value, done } = current.passes.next();
        if (done) scope.postMessage({ panel, id, result: value });
        else {
          jobs.set(panel, current); // behind the other panels
          report(panel, current, value);
        }
      } catch (error) {
        scope.postMessage({ panel, id, error: error.message });
      }
      if (jobs.size) next.port2.postMessage(0);
    }

    function report(panel, current, { scores, done, of, map }) {
      if (scores) scope.postMessage({ panel, id: current.id, scores });
      else if (performance.now() - current.shown > BETWEEN) {
        current.shown = performance.now();
        scope.postMessage({ panel, id: current.id, progress: { done, of, map: map?.() } });
      }
    }
  };
});
