import { begin as ask } from "/page/ask.js";
import { begin as faults } from "/page/faults.js";
import { begin as live } from "/page/live.js";

ask();
faults();
live();
