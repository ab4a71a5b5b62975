-- A worker that scrubs nothing says so: nobody waits for its scrubs.
ALTER TABLE worker ADD COLUMN scrubs_nothing boolean NOT NULL DEFAULT false;
