// The script of the Worker in which the engine runs.
import { serve } from "lowrank/worker";

serve();
