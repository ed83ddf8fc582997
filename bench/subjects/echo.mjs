// The worker of piscina.
export default (value) => value;
