// What the start of a process costs in itself.
console.log(42);
