"""The monitor of one worker: its loop, its pace, and the learner of a first baseline."""
